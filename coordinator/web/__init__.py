"""The operator's page over HTTP: what it shows, its events, its files; see docs/web.md."""
