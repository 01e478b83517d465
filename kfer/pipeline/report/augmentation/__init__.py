"""One self-contained HTML file that shows each random image step on a face."""
