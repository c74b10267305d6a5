"""Compresses the few large answers that every page of JupyterLab begins with, where that gives nothing away.

How long a compressed answer is tells those who can put text of their own into it, again and again, and see the network, what else is in it.
So none of these has both a secret and somebody else's words: settings and lists of what is installed. What a page is made of has the key
of its session and the address that somebody followed, and files are anybody's: those stay as they are.
"""

from tornado.web import GZipContentEncoding, OutputTransform

LARGE = {"lab/api/settings", "lab/api/translations", "lsp/status", "api/kernelspecs", "static/favicons/favicon.ico"}
LARGE_BELOW = ("lab/api/settings/", "lab/api/translations/", "lab/api/themes/", "kernelspecs/")


class Smaller(GZipContentEncoding):
    CONTENT_TYPES = GZipContentEncoding.CONTENT_TYPES | {"image/x-icon", "image/vnd.microsoft.icon"}


def transform(base):
    """For tornado: what it does to the answers of a server below the path `base`."""

    def choose(request):
        path = request.path.removeprefix(base)
        is_large = request.method == "GET" and (path in LARGE or path.startswith(LARGE_BELOW))
        # A part of something has its place in the whole as it is.
        return Smaller(request) if is_large and "Range" not in request.headers else OutputTransform(request)

    return choose
