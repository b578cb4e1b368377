import type { Cluster } from './cluster.ts';
import type { Issue } from './issue.ts';
import { type Located, placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';

type WrittenImage = NonNullable<Cluster['images']>[string];

const KINDS = ['volume', 'file', 'url', 'srcvm'] as const satisfies readonly (keyof WrittenImage)[];
type Kind = (typeof KINDS)[number];

/** What goes with each kind of image, beside `cloudInit`: true is needed, false is allowed. */
const PARTS: Readonly<Record<Kind, Readonly<Partial<Record<keyof WrittenImage, boolean>>>>> = {
  volume: { pool: true },
  file: { sha256: true, format: false, pool: false },
  url: { sha256: true, format: false, pool: false },
  srcvm: {},
};

/** What is wrong with the images of cluster.yaml beyond the form of their fields: each says in one way where it comes from. */
export function imageIssues(file: string, root: Located, images: Cluster['images'] = {}): Issue[] {
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
    const keys: readonly (keyof WrittenImage)[] = ['pool', 'sha256', 'format'];
    return keys.flatMap((key) => {
      if (parts[key] === true && image[key] === undefined)
        return [issue('', `"images.${name}.${key}" is missing: "${kind}" needs it`)];
      if (parts[key] === undefined && image[key] !== undefined)
        return [issue(key, `images.${name}.${key}: it does not go with "${kind}"`, 'take it out')];
      return [];
    });
  });
}
