"""The bytes of a file that somebody may have made to do harm, taken from front to back."""

import struct


class RawBytes:
    """Bytes that are taken in order and never beyond their end.

    Args:
        data: of the file.
        where: what the file is called in a sentence.
    """

    def __init__(self, data: bytes | memoryview, where: str) -> None:
        self.data, self.where, self.place = memoryview(data), where, 0

    def take(self, count: int, what: str) -> memoryview:
        """Take that many bytes.

        Raises:
            ValueError: fewer are left, or the count is negative: what is asked for lies before this place.
        """
        if count < 0:
            raise ValueError(
                f"{self.where}: expected {what} behind byte {self.place:,}, got {-count:,} bytes before it"
            )
        left = len(self.data) - self.place
        if count > left:
            raise ValueError(
                f"{self.where}: expected {count:,} bytes of {what} at byte {self.place:,}, got {left:,}: the file is "
                "cut short or damaged"
            )
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self, form: str, what: str) -> int:
        """Take a whole number, little-endian, in a form of `struct`."""
        (value,) = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}"), what))
        return int(value)
