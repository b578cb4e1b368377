import { describe, expect, it } from 'vitest';
import { OperatorError } from '../../src/errors.ts';
import { desiredState, desiredVm, knownHost, observedVm } from '../builders.ts';
import { world } from './world.ts';

const [A, B] = ['aaaa', 'bbbb'];
const WHY = 'bbbb "bbbb" by Ada is not signed';
const web = desiredVm();

/** A was applied; B takes its VM out and is not signed. */
async function unsigned() {
  const all = world();
  all.source.commit(A, desiredState([web]));
  await all.pass();
  all.source.commit(B, desiredState([]));
  const asked: (string | undefined)[][] = [];
  all.source.distrust = async (sha, from) => {
    asked.push([sha, from]);
    return sha === B ? WHY : undefined;
  };
  return { ...all, asked, report: await all.pass() };
}

describe('a commit that is not signed as it should be', () => {
  it('is refused whole, with the reason, and nobody can confirm it', async () => {
    const { source, hosts, notes, asked, report } = await unsigned();
    expect(report).toMatchObject({
      status: 'refused',
      revision: { sha: B },
      inForce: A,
      error: { code: 'E_GIT_SIGNATURE', message: WHY },
    });
    expect(report.confirmation).toBeUndefined();
    expect(hosts.applied).toEqual(['create web on a', 'start web on a']);
    expect(source.inForce).toBe(A);
    expect(notes.texts.get(B)).toContain(`E_GIT_SIGNATURE: ${WHY}`);
    expect(asked).toEqual([[B, A]]);
  });

  it('leaves the commit in force, which is healed, and is not asked of it again', async () => {
    const { hosts, asked, pass } = await unsigned();
    hosts.set(knownHost('a', [observedVm({ power: 'shutoff' })]));
    await pass();
    expect(hosts.applied.at(-1)).toBe('start web on a');
    expect(asked.every(([sha]) => sha === B)).toBe(true);
  });

  it('is not applied by the confirmation of a rewind either', async () => {
    const { source, hosts, confirmed, pass } = world();
    source.commit(A, desiredState([]));
    source.commit(B, desiredState([web]));
    await pass();
    source.rewind(A);
    const { confirmation = '' } = await pass();
    confirmed.add(confirmation);
    source.distrust = async () => WHY;
    expect(await pass()).toMatchObject({ status: 'refused', error: { code: 'E_GIT_SIGNATURE' } });
    expect(hosts.applied).toEqual(['create web on a', 'start web on a']);
  });

  it('leaves the commit in force to be healed also where judging it breaks', async () => {
    const { source, hosts, journal, pass } = await unsigned();
    source.distrust = async () => {
      throw new OperatorError('E_GIT_REMOTE', 'the mirror is broken');
    };
    hosts.set(knownHost('a', [observedVm({ power: 'shutoff' })]));
    await expect(pass()).rejects.toThrow('the mirror is broken');
    expect(hosts.applied.at(-1)).toBe('start web on a');
    expect(journal.reports.slice(-2).map(({ revision, status }) => `${revision.sha} ${status}`)).toEqual([
      `${B} failed`,
      `${A} applied`,
    ]);
  });

  it('is not taken back by a pass that breaks after it was accepted, nor is anything begun when told to stop', async () => {
    const { source, hosts, pass } = await unsigned();
    const stop = new AbortController();
    hosts.set(knownHost('a', [observedVm({ power: 'shutoff' })]));
    source.distrust = async () => {
      stop.abort(new Error('stop'));
      throw new Error('stop');
    };
    await expect(pass({ signal: stop.signal })).rejects.toThrow('stop');
    source.distrust = async () => undefined;
    const accept = source.accept.bind(source);
    source.accept = async (sha) => {
      await accept(sha);
      throw new OperatorError('E_GIT_REMOTE', 'too late');
    };
    await expect(pass()).rejects.toThrow('too late');
    expect(hosts.applied).toEqual(['create web on a', 'start web on a']);
  });

  it('is applied once its signer is trusted', async () => {
    const { source, hosts, pass } = await unsigned();
    source.distrust = async () => undefined;
    await pass();
    expect(source.inForce).toBe(B);
    expect(hosts.applied).toHaveLength(2);
  });
});
