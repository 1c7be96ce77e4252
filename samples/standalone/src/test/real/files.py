"""Trees of files and what is in them."""
import hashlib
import os
import stat


def manifest(root):
    """Path to what is there, for everything below a directory: kind, mode, owner, and content or target."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, 'rb') as file:
                    what = hashlib.file_digest(file, 'sha256').hexdigest()
            else:
                what = ''
            found[os.path.relpath(path, root)] = (status.st_mode, status.st_uid, status.st_gid, what)
    return found


def difference(one, other):
    """The first paths that are not the same in both; empty if all are."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))[:5]


def size(root):
    """Bytes of the files below a directory."""
    return sum(
        os.lstat(os.path.join(directory, name)).st_size for directory, _, files in os.walk(root) for name in files)
