"""Files that are there whole, or as they were before."""

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Put a text (UTF-8) or bytes into a file at once: whenever it is read, or the power fails, there is all or the old one.

    Raises:
        OSError: It could not be written; what was there before is intact.
    """
    # Two processes that write the same file must not write into each other's.
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


__all__ = ["write_whole"]
