-- For MySQL alone.
SELECT 1;
