export default function Screen() {
  return <main id="main" tabIndex={-1} class="operate" />;
}
