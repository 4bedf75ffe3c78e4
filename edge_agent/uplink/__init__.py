"""The way to the coordinator: the spool on disk, the stream, and what comes back down."""
