import { ForgeFailure, type PullClient } from '../forge/pulls/client.ts';

/** Our one comment on a pull request. */
export interface PullComment {
  /** What it says now, as far as is known; undefined: there is none. */
  body(signal: AbortSignal): Promise<string | undefined>;
  /** Has it say this. True: something was written. */
  say(text: string, signal: AbortSignal): Promise<boolean>;
}

/**
 * Found again by its first line and our user, so that a new process goes on with it; written once and then edited. After
 * a write of which nobody knows whether it was done, it is looked for again before anything else.
 */
export function createPullComment(client: PullClient, number: number, marker: string): PullComment {
  let known: { readonly id?: number; readonly body?: string } | undefined;

  async function look(signal: AbortSignal) {
    known ??= { ...(await client.findComment(number, marker, signal)) };
    return known;
  }

  return {
    body: async (signal) => (await look(signal)).body,
    async say(text, signal) {
      const { id, body } = await look(signal);
      if (body !== undefined && isSame(body, text)) return false;
      known = undefined;
      if (id === undefined) {
        known = { id: await client.comment(number, text, signal), body: text };
        return true;
      }
      try {
        await client.edit(number, id, text, signal);
      } catch (error) {
        if (!(error instanceof ForgeFailure) || error.verdict.kind === 'absent') throw error;
        // It says what it said, or the new text, which does no harm to say again.
        known = { id };
        throw error;
      }
      known = { id, body: text };
      return true;
    },
  };
}

/** Forges may take other line ends, and spaces at the end off. */
function isSame(a: string, b: string): boolean {
  const plain = (text: string) => text.replaceAll('\r\n', '\n').trimEnd();
  return plain(a) === plain(b);
}
