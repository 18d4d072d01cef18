"""Reports to text: terminal, JSON, JUnit, GitHub annotations, SARIF, Markdown, HTML."""
