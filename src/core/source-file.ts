/** A file of the manifests repository, read from git's object database. */
export interface SourceFile {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly content: string;
}
