"""SQLite needs a disk of this computer: on network drives its locks lose votes."""

from __future__ import annotations

import sys
from pathlib import Path

from siamese.errors import StudyError

NETWORK = (  # beginnings of what /proc/mounts calls them
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "lustre",
    "gfs",
    "glusterfs",
    "beegfs",
    "gpfs",
    "davfs",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.glusterfs",
    "fuse.ceph",
    "fuse.gvfsd",
)


def network_drive(path: Path, mounts: str) -> str:
    """The kind of network drive that a path lies on, e.g. "nfs4"; empty: a disk of this computer.

    Args:
        path: absolute, without symbolic links.
        mounts: content of /proc/mounts.
    """
    best, kind = "", ""
    for words in (line.split(" ") for line in mounts.splitlines()):
        if len(words) < 3:
            continue
        point = words[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = point == "/" or path.as_posix() == point or path.as_posix().startswith(point + "/")
        if inside and len(point) >= len(best):  # of two at one point the later one is seen
            best, kind = point, words[2]
    return kind if kind.startswith(NETWORK) else ""


def refuse_network(folder: Path) -> None:
    """Refuse a folder on a network drive (Linux: by /proc/mounts; Windows: by a name that begins with two strokes).

    Raises:
        StudyError: it lies on one.
    """
    folder, mounts = folder.resolve(), Path("/proc/mounts")
    if sys.platform == "win32":
        kind = "a share" if str(folder).startswith("\\\\") else ""
    else:
        kind = network_drive(folder, mounts.read_text("utf-8", "replace")) if mounts.is_file() else ""
    if kind:
        raise StudyError(
            f"{folder} lies on a network drive ({kind}), where SQLite can lose votes; move the study to a disk of "
            "this computer, or name a PostgreSQL server in its database.toml."
        )
