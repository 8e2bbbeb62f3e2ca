/** What hands do on the stage: drag, pinch, turn a wheel, point, press. */

export interface Spot {
  readonly x: number;
  readonly y: number;
}

export interface Gestures {
  readonly pan: (dx: number, dy: number) => void;
  readonly zoom: (factor: number, at: Spot) => void;
  /** A mouse is over a place, or has left the stage. */
  readonly point: (at: Spot | null) => void;
  readonly press: (at: Spot) => void;
}

/** A hand that moves less than this has pressed and not dragged. */
const SLOP = 5;

/** Follow the hands on an element until the signal. What lies on the element, as buttons do, is left alone. */
export function follow(element: HTMLElement, does: Gestures, signal: AbortSignal): void {
  const pointers = new Map<number, Spot>();
  let pressed: (Spot & { moved: boolean }) | null = null;
  const onSelf = ({ target }: Event): boolean => target === element || target instanceof HTMLCanvasElement;
  const place = (event: MouseEvent): Spot => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const down = (event: PointerEvent): void => {
    if (event.button !== 0 || !onSelf(event)) return;
    pointers.set(event.pointerId, place(event));
    pressed = { ...place(event), moved: pointers.size > 1 };
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
  };
  const move = (event: PointerEvent): void => {
    const here = place(event);
    const was = pointers.get(event.pointerId);
    if (!was) return does.point(event.pointerType === "mouse" && onSelf(event) ? here : null);
    if (pressed && Math.hypot(here.x - pressed.x, here.y - pressed.y) > SLOP) pressed.moved = true;
    pointers.set(event.pointerId, here);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) pinch(was, here, other);
    else if (pressed?.moved) does.pan(here.x - was.x, here.y - was.y);
  };
  const pinch = (was: Spot, here: Spot, other: Spot): void => {
    const [before, after] = [Math.hypot(was.x - other.x, was.y - other.y), Math.hypot(here.x - other.x, here.y - other.y)];
    does.pan((here.x - was.x) / 2, (here.y - was.y) / 2);
    if (before > 0) does.zoom(after / before, { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 });
  };
  const up = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    if (event.type === "pointerup" && pressed && !pressed.moved) does.press(place(event));
    pressed = null;
  };
  /** A wheel zooms with Ctrl or a pinch, where the drawing has the focus, and where the page has nothing to scroll; else
   * it scrolls the page, as elsewhere. */
  const wheel = (event: WheelEvent): void => {
    const scrolls = document.documentElement.scrollHeight > innerHeight + 60;
    if (scrolls && !event.ctrlKey && !event.metaKey && !element.contains(document.activeElement)) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    does.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.008 : 0.0016)), place(event));
  };
  element.addEventListener("wheel", wheel, { signal, passive: false });
  element.addEventListener("pointerdown", down, { signal });
  element.addEventListener("pointermove", move, { signal });
  element.addEventListener("pointerup", up, { signal });
  element.addEventListener("pointercancel", up, { signal });
  element.addEventListener("pointerleave", () => does.point(null), { signal });
  element.addEventListener("dblclick", (event) => onSelf(event) && does.zoom(1.6, place(event)), { signal });
}
