import type { Cluster } from './cluster.ts';
import type { Issue } from './issue.ts';
import { type Located, placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { didYouMean } from './suggest.ts';

type WrittenImage = NonNullable<Cluster['images']>[string];

const KINDS = ['volume', 'file', 'url', 'srcvm'] as const satisfies readonly (keyof WrittenImage)[];
type Kind = (typeof KINDS)[number];

/** What goes with each kind of image, beside `cloudInit`: true is needed, false is allowed. */
const PARTS: Readonly<Record<Kind, Readonly<Partial<Record<keyof WrittenImage, boolean>>>>> = {
  volume: { pool: true },
  file: { sha256: true, format: false, pool: false },
  url: { sha256: true, format: false, pool: false },
  srcvm: { host: false, sha256: false, format: false, pool: false },
};

interface Declared {
  readonly images?: Cluster['images'] | undefined;
  /** Hosts that there are; undefined: not known. */
  readonly hosts: readonly string[] | undefined;
}

/** What is wrong with the images of cluster.yaml beyond the form of their fields: each says in one way where it comes from. */
export function imageIssues(file: string, root: Located, { images = {}, hosts }: Declared): Issue[] {
  return Object.entries(images).flatMap(([name, image]) => {
    const issue = (key: string, message: string, hint?: string) =>
      issueAt(file, placeOf(root, ['images', name, key]), message, hint);
    const [kind, second] = KINDS.filter((key) => image[key] !== undefined);
    if (kind === undefined) {
      const hint = 'or say file or url with sha256, or srcvm';
      return [issue('', `"images.${name}.volume" is missing: expected a volume name`, hint)];
    }
    if (second !== undefined)
      return [
        issue(second, `images.${name}: "${kind}" and "${second}" exclude each other`, 'keep one of them'),
      ];
    const parts = PARTS[kind];
    const keys: readonly (keyof WrittenImage)[] = ['pool', 'host', 'sha256', 'format'];
    const wrong = keys.flatMap((key) => {
      if (parts[key] === true && image[key] === undefined)
        return [issue('', `"images.${name}.${key}" is missing: "${kind}" needs it`)];
      if (parts[key] === undefined && image[key] !== undefined)
        return [issue(key, `images.${name}.${key}: it does not go with "${kind}"`, 'take it out')];
      return [];
    });
    return [...wrong, ...sourceIssues(name, image, { hosts, issue })];
  });
}

/** What is wrong with an image that is the disk of a VM. */
function sourceIssues(
  name: string,
  { srcvm, host, sha256, format }: WrittenImage,
  {
    hosts,
    issue,
  }: Pick<Declared, 'hosts'> & {
    readonly issue: (key: string, message: string, hint?: string) => Issue;
  },
): Issue[] {
  if (srcvm === undefined) return [];
  const isLone = format !== undefined && sha256 === undefined;
  const lone = `images.${name}.format: without "sha256" it is the format of the disk`;
  const isUnknown = host !== undefined && hosts?.includes(host) === false;
  const unknown = `images.${name}.host: there is no host "${host}"${didYouMean(host ?? '', hosts ?? [])}`;
  return [
    ...(isLone ? [issue('format', lone, 'take it out')] : []),
    ...(isUnknown ? [issue('host', unknown, `known hosts: ${hosts?.join(', ')}`)] : []),
  ];
}
