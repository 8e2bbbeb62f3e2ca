export function Start() {
  return <main id="main" tabIndex={-1} class="start" />;
}
