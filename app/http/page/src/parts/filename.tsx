/** A file's name; its ending is isolated, so that a name of any script keeps it at its end. */
export function FileName({ name }: { name: string | null }) {
  if (name === null) return <>a file without a name</>;
  const dot = name.search(/(\.(csv|tsv|txt|json|jsonl|ndjson|xlsx|parquet|zip|gz|zst|bz2|xz))+$/i);
  return (
    <bdi dir="ltr" class="file">
      <bdi>{dot < 0 ? name : name.slice(0, dot)}</bdi>
      {dot < 0 ? "" : name.slice(dot)}
    </bdi>
  );
}
