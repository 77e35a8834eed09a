"""The one exception a user is meant to read."""


class ReproError(Exception):
    """Bad input, told in one line: what, where (path), why, what to do.

    The command line prints ``str(error)`` without a stack trace and exits with status 2.
    """

    def __init__(self, what, *, path=None, why=None, fix=None):
        self.what, self.path, self.why, self.fix = what, path, why, fix
        line = what
        if path is not None:
            line += f": {path}"
        if why is not None:
            line += f" ({why})"
        if fix is not None:
            line += f"; {fix}"
        super().__init__(" ".join(line.split()))

    def __reduce__(self):
        # exceptions cross process pools by pickle, and keyword arguments would be lost on the way
        return _rebuild, (type(self), self.what, self.path, self.why, self.fix)


def _rebuild(cls, what, path, why, fix):
    return cls(what, path=path, why=why, fix=fix)
