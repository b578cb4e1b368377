import type { RpcConnection } from './connection.ts';
import type { CallOptions } from './pending-calls.ts';
import { EVENT_ID, type RawEvent } from './protocol/event.ts';
import type { DomainRef } from './protocol/procedure.ts';

/** virDomainEventType by number, each with its details by number. */
const LIFECYCLE = [
  ['defined', ['added', 'updated', 'renamed', 'fromSnapshot']],
  ['undefined', ['removed', 'renamed']],
  ['started', ['booted', 'migrated', 'restored', 'fromSnapshot', 'wakeup', 'recreated']],
  [
    'suspended',
    [
      'paused',
      'migrated',
      'ioError',
      'watchdog',
      'restored',
      'fromSnapshot',
      'apiError',
      'postcopy',
      'postcopyFailed',
    ],
  ],
  ['resumed', ['unpaused', 'migrated', 'fromSnapshot', 'postcopy', 'postcopyFailed']],
  [
    'stopped',
    ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'fromSnapshot', 'recreated'],
  ],
  ['shutdown', ['finished', 'guest', 'host']],
  ['pmsuspended', ['memory', 'disk']],
  ['crashed', ['panicked', 'crashloaded']],
] as const;

type LifecycleName = (typeof LIFECYCLE)[number][0] | 'unknown';

export type DomainEvent =
  | {
      readonly kind: 'lifecycle';
      readonly domain: DomainRef;
      readonly event: number;
      readonly eventName: LifecycleName;
      readonly detail: number;
      readonly detailName: string;
    }
  | {
      readonly kind: 'metadata';
      readonly domain: DomainRef;
      /** virDomainMetadataType: 2 is an element, of the namespace `uri`. */
      readonly type: number;
      readonly uri: string | undefined;
    };

/** What the host tells unasked. */
export function eventCalls(rpc: RpcConnection) {
  return {
    /**
     * Calls the listener for each lifecycle and metadata event of every domain, until what this resolves with is called. Events
     * can be lost with the connection: look at the host again after a new one is made.
     */
    async subscribe(
      listener: (event: DomainEvent) => void,
      options?: CallOptions,
    ): Promise<() => Promise<void>> {
      const callbackIds = new Set<number>();
      // An event may be in the same chunk as the reply that tells its callback id.
      let early: RawEvent[] | undefined = [];
      const deliver = (event: RawEvent) => {
        if (callbackIds.has(event.body.callbackId)) listener(namedEvent(event));
      };
      const off = rpc.onEvent((event) => (early === undefined ? deliver(event) : void early.push(event)));
      const deregister = async () => {
        off();
        const calls = [...callbackIds].map((callbackId) =>
          rpc.call('connectDomainEventCallbackDeregisterAny', { callbackId }),
        );
        await Promise.all(calls);
      };
      try {
        for (const eventId of Object.values(EVENT_ID)) {
          const args = { eventId, domain: undefined };
          callbackIds.add(
            (await rpc.call('connectDomainEventCallbackRegisterAny', args, options)).callbackId,
          );
        }
      } catch (error) {
        await deregister();
        throw error;
      }
      const arrived = early;
      early = undefined;
      for (const event of arrived) deliver(event);
      return deregister;
    },
  };
}

export type Events = ReturnType<typeof eventCalls>;

function namedEvent(raw: RawEvent): DomainEvent {
  if (raw.name === 'domainMetadataChange') {
    const { domain, type, uri } = raw.body;
    return { kind: 'metadata', domain, type, uri };
  }
  const { domain, event, detail } = raw.body;
  const [eventName, details]: readonly [LifecycleName, readonly string[]] = LIFECYCLE[event] ?? [
    'unknown',
    [],
  ];
  return { kind: 'lifecycle', domain, event, eventName, detail, detailName: details[detail] ?? 'unknown' };
}
