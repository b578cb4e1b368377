import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorMessage, OperatorError } from '../errors.ts';
import { print } from './options.ts';

/** Beside the program, from source and as it is shipped. */
const TEMPLATE = fileURLToPath(new URL('../../manifests-repo-template', import.meta.url));

/** Writes a manifests repository to start from. Only into a folder that is new or empty, but for its `.git`. */
export async function init(dir: string): Promise<number> {
  await checkEmpty(dir);
  try {
    await mkdir(dir, { recursive: true });
    for (const name of await readdir(TEMPLATE))
      await cp(join(TEMPLATE, name), join(dir, name), { recursive: true, errorOnExist: true, force: false });
  } catch (cause) {
    throw new OperatorError('E_USAGE', `${dir} cannot be filled: ${errorMessage(cause)}`, { cause });
  }
  print(`${dir} is a manifests repository now. Next:
  1. cluster.yaml: your hosts (as operator.yaml names them), bridge, images; manifests/: your VMs instead of the examples
  2. CODEOWNERS: who approves; ci/ and hooks/: see README.md, take out what is of another forge
  3. kvm-gitops validate ${dir}
  4. git init --initial-branch=main && git add --all && git commit --message 'Start with these machines'
  5. kvm-gitops plan ${dir}, before you push it to where git.remote in operator.yaml points`);
  return 0;
}

async function checkEmpty(dir: string): Promise<void> {
  const there = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new OperatorError('E_USAGE', `${dir} cannot be read as a folder`, { cause: error });
  });
  const [other] = there.filter((name) => name !== '.git');
  if (other !== undefined)
    throw new OperatorError('E_USAGE', `${dir} is not empty (${other}): name a new or an empty folder`);
}
