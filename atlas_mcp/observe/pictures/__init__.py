"""A run drawn: who did what, what was decided and what came of it, as Mermaid and as SVG."""
