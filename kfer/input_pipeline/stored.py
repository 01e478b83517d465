"""The pictures of examples as they are stored: in a form that every later reader decodes alike."""

import logging
from collections.abc import Sequence

from kfer.media import pictures

_MOST_TOLD = 5
_log = logging.getLogger(__name__)


class Storing:
    """Brings the pictures of a source's split into the form in which they are stored.

    A picture that cannot be read becomes a text that no reader takes for one, so that it is counted and
    named wherever pictures are decoded.
    """

    def __init__(self, place: str) -> None:
        """Starts with nothing read.

        Args:
            place: What messages say that pictures are from.
        """
        self._place = place
        self._num_unread = 0

    def picture(self, content: bytes, name: str) -> bytes:
        """Returns a picture's bytes as `kfer.media.pictures.as_stored` does, or the text.

        Args:
            content: The file's bytes.
            name: How the log calls it.
        """
        try:
            return pictures.as_stored(content, name)
        except pictures.ImageError as error:
            self._num_unread += 1
            if self._num_unread <= _MOST_TOLD:
                _log.warning("%s: %s", self._place, error)
            return b"unreadable"

    def frames(self, contents: Sequence[bytes], name: str) -> list[bytes]:
        """The same of a clip's frames."""
        # Builders repeat a frame's very bytes where it is shown twice.
        known: dict[bytes, bytes] = {}
        for number, content in enumerate(contents):
            if content not in known:
                known[content] = self.picture(content, f"frame {number} of {name}")
        return [known[content] for content in contents]

    def tell(self) -> None:
        """Says how many pictures could not be read."""
        if self._num_unread > _MOST_TOLD:
            _log.warning("%s: %d pictures cannot be read", self._place, self._num_unread)
