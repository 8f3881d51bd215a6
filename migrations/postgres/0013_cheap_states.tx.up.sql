-- For SQLite alone.
SELECT 1;
