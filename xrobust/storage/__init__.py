"""Storage: the cache of a user, atomic writes, hashes and checksums."""
