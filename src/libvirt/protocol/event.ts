import { type Codec, int, nothing, optional, string, struct, type ValueOf } from '../xdr.ts';
import { domainRef, procedure } from './procedure.ts';

/** virDomainEventID, those that can be subscribed to here. */
export const EVENT_ID = { lifecycle: 0, metadataChange: 23 } as const;

export const eventProcedures = {
  connectDomainEventCallbackRegisterAny: procedure(
    316,
    struct({ eventId: int, domain: optional(domainRef) }),
    struct({ callbackId: int }),
  ),
  connectDomainEventCallbackDeregisterAny: procedure(317, struct({ callbackId: int }), nothing),
} as const;

interface EventMessage<T> {
  readonly number: number;
  readonly body: Codec<T>;
}

function event<T>(number: number, body: Codec<T>): EventMessage<T> {
  return { number, body };
}

/** What the daemon sends unasked: a packet of type event with one of these numbers. */
export const eventMessages = {
  domainLifecycle: event(318, struct({ callbackId: int, domain: domainRef, event: int, detail: int })),
  domainMetadataChange: event(
    379,
    struct({ callbackId: int, domain: domainRef, type: int, uri: optional(string) }),
  ),
} as const;

type EventName = keyof typeof eventMessages;

/** An event as it came. */
export type RawEvent = {
  readonly [N in EventName]: { readonly name: N; readonly body: ValueOf<(typeof eventMessages)[N]['body']> };
}[EventName];
