import { METADATA } from '../libvirt/protocol/domain.ts';
import { EVENT_ID, type RawEvent } from '../libvirt/protocol/event.ts';
import type { DomainRef } from '../libvirt/protocol/procedure.ts';
import { internalError, invalidArgument } from './failure.ts';

/** VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE. */
const LAST_EVENT_ID = 26;

interface Subscription {
  readonly callbackId: number;
  readonly eventId: number;
  /** Undefined: every domain. */
  readonly uuid: string | undefined;
  readonly subscriber: object;
  readonly send: (event: RawEvent) => void;
}

/** Brings a host's events to the connections that want them. */
export class EventFeed {
  /** What happens is told to nobody, as when events are lost. */
  isMute = false;
  #subscriptions: readonly Subscription[] = [];
  #nextId = 0;

  /** The callback id is one of the whole host. */
  subscribe(wanted: Omit<Subscription, 'callbackId'>): number {
    const { eventId, uuid, subscriber } = wanted;
    if (!Number.isInteger(eventId) || eventId < 0 || eventId > LAST_EVENT_ID)
      throw internalError('rpc', `unsupported event ID ${eventId}`);
    const same = this.#of(subscriber).some((other) => other.eventId === eventId && other.uuid === uuid);
    if (same) throw invalidArgument('none', 'invalid argument: event callback already tracked');
    const callbackId = this.#nextId++;
    this.#subscriptions = [...this.#subscriptions, { ...wanted, callbackId }];
    return callbackId;
  }

  unsubscribe(subscriber: object, callbackId: number): void {
    if (!this.#of(subscriber).some((subscription) => subscription.callbackId === callbackId))
      throw internalError('rpc', `domain event callback ${callbackId} not registered`);
    this.#subscriptions = this.#subscriptions.filter(
      (subscription) => subscription.callbackId !== callbackId,
    );
  }

  /** Forgets a connection that is gone. */
  leave(subscriber: object): void {
    this.#subscriptions = this.#subscriptions.filter(
      (subscription) => subscription.subscriber !== subscriber,
    );
  }

  lifecycle(domain: DomainRef, event: number, detail: number): void {
    for (const { callbackId, send } of this.#listeners(EVENT_ID.lifecycle, domain))
      send({ name: 'domainLifecycle', body: { callbackId, domain, event, detail } });
  }

  /** `type` is a virDomainMetadataType; only elements have a `uri`. */
  metadataChange(domain: DomainRef, type: number, uri: string | undefined): void {
    const body = { domain, type, uri: type === METADATA.element ? uri : undefined };
    for (const { callbackId, send } of this.#listeners(EVENT_ID.metadataChange, domain))
      send({ name: 'domainMetadataChange', body: { ...body, callbackId } });
  }

  #of(subscriber: object): readonly Subscription[] {
    return this.#subscriptions.filter((subscription) => subscription.subscriber === subscriber);
  }

  #listeners(eventId: number, { uuid }: DomainRef): readonly Subscription[] {
    if (this.isMute) return [];
    return this.#subscriptions.filter(
      (subscription) =>
        subscription.eventId === eventId && (subscription.uuid === undefined || subscription.uuid === uuid),
    );
  }
}
