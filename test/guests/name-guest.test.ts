import { describe, expect, it } from 'vitest';
import { nameGuest } from '../../src/guests/name-guest.ts';

/** A guest that notes what it is told to do. */
function guestOf(user: string, { systemd }: { readonly systemd: boolean }) {
  const asked: string[] = [];
  let name = 'localhost';
  const exec = async (argv: readonly string[], { input }: { readonly input?: string | Buffer } = {}) => {
    const command = argv.join(' ');
    if (command === 'uname -n') return { code: 0, stdout: `${name}\n`, stderr: '' };
    asked.push(input === undefined ? command : `${command} < ${input.toString()}`);
    const isDone = systemd || !command.includes('hostnamectl');
    if (isDone && !command.includes('tee')) name = argv.at(-1) ?? '';
    return { code: isDone ? 0 : 127, stdout: '', stderr: '' };
  };
  const target = {
    name: 'web',
    address: '10.0.0.1',
    port: 22,
    user,
    knownHosts: '/k',
    connectTimeoutMs: 1,
    keepaliveMs: 1,
  };
  return { asked, ssh: { exec, target } };
}

describe('naming a guest', () => {
  it.each([
    ['root', true, ['hostnamectl set-hostname web.lab']],
    [
      'root',
      false,
      ['hostnamectl set-hostname web.lab', 'tee /etc/hostname < web.lab\n', 'hostname web.lab'],
    ],
    ['ann', true, ['sudo -n hostnamectl set-hostname web.lab']],
    [
      'ann',
      false,
      [
        'sudo -n hostnamectl set-hostname web.lab',
        'sudo -n tee /etc/hostname < web.lab\n',
        'sudo -n hostname web.lab',
      ],
    ],
  ])('as %s, with systemd: %s', async (user, systemd, asked) => {
    const guest = guestOf(user, { systemd });
    await nameGuest(guest.ssh, 'web.lab');
    expect(guest.asked).toEqual(asked);
  });
});
