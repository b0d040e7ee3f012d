import nothing_like_it  # noqa: F401
