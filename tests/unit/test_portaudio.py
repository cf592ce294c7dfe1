"""Sound devices by name, and the formats to open them in."""

import pytest

from satellite.audio.error import DeviceError
from satellite.audio.listing import missing, table
from satellite.audio.portaudio import Device, Direction, find_device, formats_to_try

IN, OUT = Direction.INPUT, Direction.OUTPUT
BOARD = Device(0, "HDA Intel PCH: ALC257 (hw:0,0)", "ALSA", 2, 2, 44100)
ARRAY = Device(1, "ReSpeaker 4 Mic Array: USB Audio (hw:1,0)", "ALSA", 4, 0, 16000)
USB = Device(2, "USB PnP Sound Device: Audio (hw:2,0)", "ALSA", 1, 2, 48000)
SERVER = Device(3, "default", "ALSA", 32, 32, 44100, (IN, OUT))
MACHINE = [BOARD, ARRAY, USB, SERVER]


@pytest.mark.parametrize(
    ("name", "direction", "found"),
    [
        ("default", IN, SERVER),
        ("respeaker", IN, ARRAY),
        ("hw:2,0", OUT, USB),
        ("HDA Intel PCH: ALC257 (hw:0,0)", OUT, BOARD),
    ],
)
def test_a_device_is_found_by_its_name_or_a_part_of_it(name, direction, found):
    assert find_device(MACHINE, name, direction) is found


def test_a_whole_name_wins_over_longer_names_that_have_it_inside():
    longer = Device(9, "default again", "ALSA", 2, 2, 44100)
    assert find_device([longer, SERVER], "Default", IN) is SERVER


def test_a_part_that_fits_several_is_refused_with_what_it_fits():
    with pytest.raises(DeviceError, match=r"'usb' fits more than one microphone: .*ReSpe.*PnP"):
        find_device(MACHINE, "usb", IN)


def test_a_part_that_fits_several_is_no_matter_where_only_one_can_play():
    assert find_device(MACHINE, "usb", OUT) is USB


def test_a_device_that_does_not_exist_is_refused_with_what_there_is():
    with pytest.raises(DeviceError, match=r"no speaker has 'bluetooth' in its name; .*HDA"):
        find_device(MACHINE, "bluetooth", OUT)


def test_a_machine_without_devices_or_without_a_default_says_so():
    with pytest.raises(DeviceError, match="no microphone on this machine"):
        find_device([], "default", IN)
    with pytest.raises(DeviceError, match=r"no default speaker; there are: .*HDA"):
        find_device([BOARD], "default", OUT)


def test_what_needs_no_conversion_is_tried_first_then_the_device_s_own_format():
    tries = formats_to_try(BOARD, IN, 16000)
    assert tries[:4] == [(16000, 1), (16000, 2), (44100, 1), (44100, 2)]
    assert (48000, 2) in tries


def test_so_many_channels_are_opened_as_the_settings_say():
    assert {channels for _, channels in formats_to_try(SERVER, IN, 16000, channels=4)} == {4}


def test_for_one_channel_all_of_the_device_are_opened():
    tries = formats_to_try(ARRAY, IN, 16000, channel=3)
    assert {channels for _, channels in tries} == {4}


def test_a_channel_that_the_device_does_not_have_is_refused():
    with pytest.raises(DeviceError, match="has no channel 5, it has 4"):
        formats_to_try(ARRAY, IN, 16000, channel=5)
    with pytest.raises(DeviceError, match="does not tell how many channels it has"):
        formats_to_try(SERVER, IN, 16000, channel=1)


def test_the_table_shows_each_device_where_it_belongs_and_marks_the_default():
    inputs, outputs, _ = table(MACHINE).split("\n\n")
    assert "ReSpeaker" in inputs
    assert "ReSpeaker" not in outputs
    (default,) = [line for line in outputs.splitlines() if "default" in line]
    assert default.split() == ["*", "default", "any", "44100", "Hz", "ALSA"]


def test_what_is_missing_is_said_in_one_line():
    assert missing(MACHINE) == ""
    assert missing([ARRAY]).startswith("no speaker on this machine: ")
    assert missing([]).startswith("no microphone and no speaker on this machine: ")
    assert "\n" not in missing([])
