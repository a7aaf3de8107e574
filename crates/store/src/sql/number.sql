-- Numbers the committed endings of a search that have no ordinal yet. $1 search.
SELECT number_endings($1)
