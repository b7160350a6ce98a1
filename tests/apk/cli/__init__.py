"""The command line of apk."""
