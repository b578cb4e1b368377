import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../errors.ts';

/** Where the manifests repository is. `url` is what git is given; it never holds a secret. */
export type Remote =
  | { readonly kind: 'local'; readonly url: string; readonly path: string }
  | { readonly kind: 'ssh'; readonly url: string }
  | { readonly kind: 'http' | 'https'; readonly url: string };

const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const HOST = /^(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])$/;
const SCP_LIKE = /^(?:([^@:/]+)@)?([^@:/[\]]+|\[[^\]/]+\]):([^:].*)$/;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Checks a remote's address: ssh://, user@host:path, https://, http:// to this machine, file:// or an absolute path.
 * Throws E_CONFIG_INVALID, without repeating the address where it may hold a password.
 */
export function parseRemote(address: string): Remote {
  if (/[\s\p{Cc}]/u.test(address)) throw invalid('it has spaces or control characters in it');
  if (address === '' || address.startsWith('-')) throw invalid('it is empty or starts with "-"');
  if (isAbsolute(address)) return { kind: 'local', url: address, path: address };
  if (/^[A-Za-z0-9]+::/.test(address)) throw invalid('remote helpers (transport::address) are not allowed');
  return /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(address) ? parseUrl(address) : parseScpLike(address);
}

function parseUrl(address: string): Remote {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) throw invalid('it is not a URL');
  if (url.password !== '')
    throw invalid('it holds a password: take it out, and name a token file or variable');
  if (url.search !== '' || url.hash !== '') throw invalid('it has a ? or # part: take that out');
  if (url.protocol === 'file:') return parseFile(url);
  if (!HOST.test(url.hostname)) throw invalid(`its host ${JSON.stringify(url.hostname)} is not a host name`);
  if (url.username !== '' && !USER.test(url.username)) throw invalid('its user name is not a plain name');
  if (url.protocol === 'ssh:') return { kind: 'ssh', url: address };
  if (url.protocol === 'https:') return { kind: 'https', url: address };
  if (url.protocol !== 'http:') {
    throw invalid(`${url.protocol}// is not allowed: use ssh://, https://, file:// or an absolute path`);
  }
  if (!LOOPBACK.test(url.hostname)) throw invalid('http:// is only for this machine: use https://');
  return { kind: 'http', url: address };
}

function parseFile(url: URL): Remote {
  if (url.hostname !== '') throw invalid('file:// takes no host: file:///absolute/path');
  const path = fileURLToPath(url);
  return { kind: 'local', url: path, path };
}

function parseScpLike(address: string): Remote {
  const [, user, host, path] = SCP_LIKE.exec(address) ?? [];
  if (host === undefined || path === undefined) {
    throw invalid('it is neither a URL, nor user@host:path, nor an absolute path');
  }
  if (!HOST.test(host)) throw invalid(`its host ${JSON.stringify(host)} is not a host name`);
  if (user !== undefined && !USER.test(user)) throw invalid('its user name is not a plain name');
  if (path.startsWith('-')) throw invalid('its path starts with "-"');
  return { kind: 'ssh', url: address };
}

function invalid(reason: string): OperatorError {
  return new OperatorError('E_CONFIG_INVALID', `the address of the git remote is wrong: ${reason}`);
}

/** A branch's name that is safe to hand to git; throws E_CONFIG_INVALID otherwise. */
export function checkBranch(branch: string): string {
  const bad =
    !/^[A-Za-z0-9_][A-Za-z0-9_./+#=@-]*$/.test(branch) || /\.\.|\/\/|\/\.|\.lock(?:\/|$)|[./]$/.test(branch);
  if (!bad) return branch;
  throw new OperatorError('E_CONFIG_INVALID', `${JSON.stringify(branch)} is not the name of a git branch`);
}

/** A folder in the repository, without slashes at its ends; '' is the root. Throws E_CONFIG_INVALID. */
export function checkFolder(folder: string): string {
  const clean = folder.replace(/^\.$|^(?:\.?\/)+|\/+$/g, '');
  const parts = clean.split('/');
  const bad =
    /[\p{Cc}:]/u.test(clean) || parts.includes('..') || parts.includes('.') || clean.startsWith('-');
  if (bad)
    throw new OperatorError(
      'E_CONFIG_INVALID',
      `${JSON.stringify(folder)} is not a folder of the repository`,
    );
  return clean;
}
