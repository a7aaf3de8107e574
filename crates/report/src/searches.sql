-- Names of searches, the newest first: which one a person may have meant.
SELECT search AS name FROM search_summary ORDER BY search_id DESC LIMIT 1000
