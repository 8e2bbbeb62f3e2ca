-- Add users, whom nobody else can be adding: the lock of their stretch of ids is held.
COPY users (id, handle, spelling) FROM STDIN WITH (FORMAT binary);  -- noqa: PRS
