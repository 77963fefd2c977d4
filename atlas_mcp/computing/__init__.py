"""Numbers that are computed: expressions, tables and their statistics, each result as a line to quote.

Nothing here needs a model, knows a store or runs what a document says: a formula in a cell is text.
"""
