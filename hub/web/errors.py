"""Errors as JSON: a status, a code for programs, a sentence for people."""

from aiohttp import web


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        code: for programs.
        text: for people; says what to do.
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


def refusal(status: int, code: str, text: str) -> web.Response:
    """Return the answer that says what is wrong."""
    return web.json_response({"error": {"code": code, "text": text}}, status=status)
