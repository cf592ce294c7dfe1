"""Environments of other projects' servers, which several tests want at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import environments


def test_two_who_want_the_same_environment_at_once_make_it_once(tmp_path, monkeypatch):
    made = []

    def install(folder, *_):
        made.append(folder)
        time.sleep(0.2)  # the other one looks meanwhile
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environments, "install", install)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: environments.environment("peer", "a==1"), range(2))
    assert first == second
    assert first.exists()
    assert len(made) == 1
