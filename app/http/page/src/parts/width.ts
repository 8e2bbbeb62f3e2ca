/** A drawing that is as wide as the room for it, so that its letters keep their size on every screen. */
import type { RefObject } from "preact";
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

/** The width of the element that gets the ref, in px; `first` until it is known. */
export function useWidth<Box extends HTMLElement>(first: number): [RefObject<Box | null>, number] {
  const box = useRef<Box>(null);
  const width = useSignal(first);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => {
      const style = getComputedStyle(element);
      const room = element.clientWidth - parseFloat(style.paddingInlineStart) - parseFloat(style.paddingInlineEnd);
      if (room > 0) width.value = Math.round(room);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return [box, width.value];
}
