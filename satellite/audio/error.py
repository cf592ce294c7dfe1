"""The one error of sound devices; in a file of its own because their processes import no more."""


class DeviceError(Exception):
    """A microphone or speaker that cannot be opened, or that failed; the message names it."""


class UnknownDevice(DeviceError):
    """Settings call a device what none of ours can ever be called; no other try will help."""
