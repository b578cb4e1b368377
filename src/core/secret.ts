import { inspect } from 'node:util';

/** A value that shows itself to nobody who does not ask for it: not in logs, JSON, messages or a debugger's inspect. */
export class Secret<T = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself: for the call that needs it, never to be kept or printed. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
