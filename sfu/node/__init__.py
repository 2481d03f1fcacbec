"""The composition: settings, WebSocket endpoint, commands, reports, ticker, metrics."""
