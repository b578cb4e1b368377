import { AbortGroups, type Cancellable } from './abort-groups.ts';
import { CallTimeoutError, ConnectionClosedError } from './errors.ts';
import type { ProcedureName } from './protocol.ts';
import type { XdrWriter } from './xdr-writer.ts';

const SERIAL_MAX = 0xffff_ffff;

export interface CallOptions {
  /** Rejects the call with the signal's reason. A call that was sent is not undone: the host may still do it. */
  readonly signal?: AbortSignal | undefined;
  /** Infinity for none. */
  readonly timeoutMs?: number | undefined;
}

export interface PendingCall extends Cancellable {
  readonly name: ProcedureName;
  /** The procedure's program, and its number there. */
  readonly program: number;
  readonly number: number;
  readonly serial: number;
  readonly signal: AbortSignal | undefined;
  timer: NodeJS.Timeout | undefined;
  /** From here on the host may have done it. */
  sent: boolean;
  write(writer: XdrWriter): void;
  /** Throws when the body is not this procedure's reply. */
  complete(body: Buffer): void;
  reject(error: unknown): void;
}

/** The calls that have had no reply: those that wait to be sent, and those under way. */
export class PendingCalls {
  readonly #bySerial = new Map<number, PendingCall>();
  /** Calls that wait for room in the stream, in order. */
  readonly #unsent = new Set<PendingCall>();
  readonly #aborts = new AbortGroups();
  #nextSerial = 1;
  #wrapped = false;

  get size(): number {
    return this.#bySerial.size;
  }

  takeSerial(): number {
    const serial = this.#nextSerial;
    this.#wrapped ||= serial === SERIAL_MAX;
    this.#nextSerial = serial === SERIAL_MAX ? 1 : serial + 1;
    return serial;
  }

  /** Whether a call of that serial was ever made. */
  issued(serial: number): boolean {
    return this.#wrapped || (serial > 0 && serial < this.#nextSerial);
  }

  get(serial: number): PendingCall | undefined {
    return this.#bySerial.get(serial);
  }

  /** Queues a call; it is cancelled when its time is up or its signal fires. */
  add(call: PendingCall, timeoutMs: number): void {
    this.#bySerial.set(call.serial, call);
    this.#unsent.add(call);
    if (call.signal !== undefined) this.#aborts.add(call.signal, call);
    if (!Number.isFinite(timeoutMs)) return;
    call.timer = setTimeout(
      () => call.cancel(new CallTimeoutError(call.name, timeoutMs, call.sent)),
      timeoutMs,
    );
  }

  /** Forgets a call that has had its end. */
  delete(call: PendingCall): void {
    this.#bySerial.delete(call.serial);
    this.#unsent.delete(call);
    clearTimeout(call.timer);
    if (call.signal !== undefined) this.#aborts.delete(call.signal, call);
  }

  /** Moves calls from the queue into the writer until it holds `enoughBytes`; one that cannot be encoded is rejected. */
  writeNext(writer: XdrWriter, enoughBytes: number): void {
    for (const call of this.#unsent) {
      if (writer.length >= enoughBytes) return;
      this.#unsent.delete(call);
      try {
        call.write(writer);
        call.sent = true;
      } catch (error) {
        call.cancel(error);
      }
    }
  }

  /** Rejects every call. */
  closeAll(closed: ConnectionClosedError): void {
    for (const call of this.#bySerial.values()) call.cancel(closedError(closed, call));
  }
}

/** The end of the connection, as seen by one call. */
export function closedError(
  { message, cause }: ConnectionClosedError,
  call: PendingCall,
): ConnectionClosedError {
  const outcome = call.sent ? `the outcome of ${call.name} is unknown` : `${call.name} was never sent`;
  return new ConnectionClosedError(`${message}; ${outcome}`, { outcomeUnknown: call.sent, cause });
}
