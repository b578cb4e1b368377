import type { DesiredVm, Nic } from './desired.ts';
import type { Fleet } from './fleet.ts';
import type { ObservedNic, ObservedVm } from './observed.ts';
import type { RewireStep, Step, Verdict, VmStep } from './step.ts';

export interface CardContext {
  readonly vm: DesiredVm;
  readonly found: ObservedVm;
  readonly fleet: Fleet;
  readonly base: Pick<VmStep, 'host' | 'vm' | 'uuid' | 'cluster'>;
}

/** What follows for the network cards, title and description of a VM that is there. Only what is declared counts. */
export function planCards(context: CardContext): Verdict {
  const cards = context.vm.nics.map((nic, index) => planCard(nic, index, context));
  return {
    steps: [...cards.flatMap(({ steps }) => steps), ...description(context)],
    held: cards.flatMap(({ held }) => held),
  };
}

/** The card that a declaration is about: the one with its MAC address, else the one in its place. */
export function cardFor({ mac }: Nic, index: number, nics: readonly ObservedNic[]): ObservedNic | undefined {
  return nics.find((nic) => nic.mac === mac?.toLowerCase()) ?? nics[index];
}

/** The bridge that it must be plugged into; undefined: any will do. A card on another kind of network only leaves it when its own VM says so. */
export function declaredBridge({ bridge, bridgeFrom }: Nic, card: ObservedNic): string | undefined {
  if (bridgeFrom === undefined) return undefined;
  return bridgeFrom === 'cluster' && card.bridge === undefined ? undefined : bridge;
}

function planCard(nic: Nic, index: number, { vm, found, fleet, base }: CardContext): Verdict {
  const card = cardFor(nic, index, found.nics);
  const hold = (reason: string): Verdict => ({
    steps: [],
    held: [{ host: base.host, subject: base.vm, because: 'conflict', kind: 'rewire', reason }],
  });
  const isDeclared = nic.mac !== undefined || nic.bridgeFrom !== undefined;
  if (card === undefined)
    return isDeclared
      ? hold(`it has no network card on ${vm.host}: attach one there`)
      : { steps: [], held: [] };
  const mac = nic.mac?.toLowerCase();
  const bridge = declaredBridge(nic, card);
  const to: RewireStep['to'] = {
    ...(mac !== undefined && mac !== card.mac && { mac }),
    ...(bridge !== undefined && bridge !== card.bridge && { bridge }),
  };
  if (to.mac !== undefined && fleet.macs().has(to.mac))
    return hold(
      `its MAC address ${to.mac} is that of another card on the hosts: give one of the two another`,
    );
  const changes = [
    ...(to.mac === undefined ? [] : [`MAC address ${card.mac} -> ${to.mac}`]),
    ...(to.bridge === undefined ? [] : [`bridge ${card.bridge ?? 'none'} -> ${to.bridge}`]),
  ];
  if (changes.length === 0) return { steps: [], held: [] };
  return { steps: [{ ...base, kind: 'rewire', reason: changes.join(', '), mac: card.mac, to }], held: [] };
}

function description({ vm, found, base }: CardContext): Step[] {
  const title = vm.title !== undefined && vm.title !== found.title ? vm.title : undefined;
  const isSame = vm.description === undefined || vm.description.trim() === (found.description ?? '');
  const texts = {
    ...(title !== undefined && { title }),
    ...(!isSame && vm.description !== undefined && { description: vm.description }),
  };
  const names = Object.keys(texts);
  if (names.length === 0) return [];
  return [{ ...base, kind: 'describe', reason: `its ${names.join(' and ')} in git`, texts }];
}
