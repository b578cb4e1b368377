import type { Image } from '../core/desired.ts';
import type { ObservedState } from '../core/observed.ts';
import { volumeKey } from '../core/observed.ts';
import { OperatorError } from '../errors.ts';
import type { Hosts, Question } from '../ports.ts';

/** What a pass asked the hosts, and what they showed. */
export interface Look {
  readonly question: Question;
  readonly observed: ObservedState;
}

/** Each is looked for on every host, by the connections that the passes use. */
const MAX_NEW = 20;

/**
 * Answers with what the last pass saw, and asks the hosts only for what that did not ask for. A file on the operator's
 * machine is looked at only where the pass did so: else whoever opens a pull request would learn which files there are.
 * E_GIT_LIMIT where it wants more new images than hosts are to be asked for.
 */
export function byLastLook({ question: asked, observed }: Look, ask: Hosts['observe']): Hosts['observe'] {
  const files = new Set(asked.images?.map(keyOf));
  return async (wanted, signal) => {
    const images = wanted.images?.filter(
      (image) => image.content?.file === undefined || files.has(keyOf(image)),
    );
    const question = { ...wanted, ...(images !== undefined && { images }) };
    if (covers(asked, question)) return observed;
    requireFew(asked, question);
    const { names } = observed;
    return { ...(await ask(question, signal)), ...(names !== undefined && { names }) };
  };
}

function requireFew(asked: Question, wanted: Question): void {
  const [volumes, images] = [new Set(asked.volumes.map(volumeKey)), new Set(asked.images?.map(keyOf))];
  const count = Math.max(
    wanted.volumes.filter((volume) => !volumes.has(volumeKey(volume))).length,
    (wanted.images ?? []).filter((image) => !images.has(keyOf(image))).length,
  );
  if (count <= MAX_NEW) return;
  throw new OperatorError(
    'E_GIT_LIMIT',
    `its VMs use ${count} images that no VM of the branch uses, and hosts are asked for ${MAX_NEW} at most: merge them in parts, or use kvm-gitops plan --base --head`,
  );
}

function covers(asked: Question, wanted: Question): boolean {
  const volumes = new Set(asked.volumes.map(volumeKey));
  const images = new Set(asked.images?.map(keyOf));
  return (
    asked.offline.size === wanted.offline.size &&
    [...wanted.offline].every((host) => asked.offline.has(host)) &&
    wanted.volumes.every((volume) => volumes.has(volumeKey(volume))) &&
    (wanted.images ?? []).every((image) => images.has(keyOf(image)))
  );
}

function keyOf(image: Image): string {
  return JSON.stringify(image);
}
