"""Pages of plots that need nothing else: `chart` draws SVG, `page` puts it into a document with its style."""
