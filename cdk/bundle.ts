/** Bundles every function with esbuild, once for all stacks, within a budget of size. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  build,
  version as esbuildVersion,
  type BuildOptions,
  type Metafile,
  type Plugin,
} from 'esbuild';
import { z } from 'zod';

import type { Service } from './party.ts';

/** The functions of every service: `functions/<service>/<fn>.ts`. */
export const FUNCTIONS: readonly { readonly service: Service; readonly fn: string }[] = [
  { service: 'validator', fn: 'api' },
  { service: 'validator', fn: 'inbox' },
  { service: 'validator', fn: 'timer' },
  { service: 'validator', fn: 'escrow' },
  { service: 'validator', fn: 'copies' },
  { service: 'validator', fn: 'replicator' },
  { service: 'membership', fn: 'api' },
  { service: 'records', fn: 'api' },
];

/** Most bytes of one bundle, without its map: a cold start parses all of it. */
export const BUNDLE_BYTES_MAX = 1_500_000;

/** A bundle that is too large. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
  readonly code = 'bundle_too_large';
}

/** What was bundled. */
export interface Bundles {
  /** Folder with `index.mjs` and `index.mjs.map`. */
  folderOf(service: Service, fn: string): string;
  /** SHA-256, in hexadecimal, of each bundle, by `<service>-<fn>`. */
  readonly digests: Readonly<Record<string, string>>;
  /** SHA-256 over all of them: what institutions compare before they deploy. */
  readonly digest: string;
}

/** Where sources are and where bundles go. */
export interface BundleOptions {
  /** @default the folder above this file */
  readonly root?: string;
  /** @default `<root>/dist/functions` */
  readonly outdir?: string;
}

/** CommonJS packages inside an ES module ask for `require`. */
const BANNER =
  "import { createRequire as cqCreateRequire } from 'node:module';" +
  'const require = cqCreateRequire(import.meta.url);';

/** zod carries its messages in fifty languages, a third of a bundle: English is enough. */
const onlyEnglish: Plugin = {
  name: 'only-english',
  setup(context) {
    context.onResolve(
      { filter: /\/locales\/index\.js$/ },
      async ({ importer, resolveDir, kind }) => {
        if (!/[\\/]node_modules[\\/]zod[\\/]/.test(importer)) return undefined;
        return context.resolve('../locales/en.js', { importer, resolveDir, kind });
      },
    );
  },
};

const BUILD: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  minify: true,
  keepNames: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  external: [],
  mainFields: ['module', 'main'],
  banner: { js: BANNER },
  logLevel: 'warning',
  metafile: true,
  plugins: [onlyEnglish],
};

const manifestSchema = z.object({
  /** What the bundles were made with. */
  recipe: z.string(),
  /** Digest of every file that went in. */
  inputs: z.record(z.string(), z.string()),
  /** Digest of every bundle. */
  digests: z.record(z.string(), z.string()),
});
type Manifest = z.output<typeof manifestSchema>;

/**
 * Bundles every function, or nothing when no source has changed since the last time.
 * @throws BundleError when a bundle is above `BUNDLE_BYTES_MAX`
 */
export async function bundleFunctions(options: BundleOptions = {}): Promise<Bundles> {
  const root = options.root ?? join(import.meta.dirname, '..');
  const outdir = options.outdir ?? join(root, 'dist', 'functions');
  const manifestPath = join(outdir, 'manifest.json');
  const recipe = sha256(
    esbuildVersion +
      readFileSync(import.meta.filename, 'utf8') +
      readFileSync(join(root, 'package-lock.json'), 'utf8'),
  );
  const known = readManifest(manifestPath);
  if (known === undefined || !isCurrent(known, recipe, root, outdir)) {
    const manifest = await bundle(root, outdir, recipe);
    writeFileSync(manifestPath, JSON.stringify(manifest, null, 1));
    return bundlesOf(manifest, outdir);
  }
  return bundlesOf(known, outdir);
}

/**
 * Bundles one entry into `outdir` as every function is bundled, with plugins that replace modules:
 * for what no stack ever deploys, such as a lying validator on a local network.
 */
export async function bundleEntry(
  entry: string,
  outdir: string,
  plugins: readonly Plugin[],
): Promise<void> {
  await build({
    ...BUILD,
    outdir,
    entryPoints: [{ in: entry, out: 'index' }],
    plugins: [onlyEnglish, ...plugins],
  });
}

async function bundle(root: string, outdir: string, recipe: string): Promise<Manifest> {
  mkdirSync(outdir, { recursive: true });
  const { metafile } = await build({
    ...BUILD,
    metafile: true,
    absWorkingDir: root,
    outdir,
    entryPoints: FUNCTIONS.map(({ service, fn }) => ({
      in: join(root, 'functions', service, `${fn}.ts`),
      out: join(`${service}-${fn}`, 'index'),
    })),
  });
  checkBudget(metafile);
  const inputs = Object.keys(metafile.inputs).sort();
  return {
    recipe,
    inputs: Object.fromEntries(inputs.map((path) => [path, fileDigest(join(root, path))])),
    digests: digestsOf(outdir),
  };
}

function checkBudget(metafile: Metafile): void {
  for (const [path, { bytes }] of Object.entries(metafile.outputs)) {
    if (path.endsWith('.mjs') && bytes > BUNDLE_BYTES_MAX) {
      throw new BundleError(`${path} has ${bytes} bytes; the budget is ${BUNDLE_BYTES_MAX}`);
    }
  }
}

function digestsOf(outdir: string): Record<string, string> {
  return Object.fromEntries(
    FUNCTIONS.map(({ service, fn }) => {
      const name = `${service}-${fn}`;
      return [name, fileDigest(join(outdir, name, 'index.mjs'))];
    }),
  );
}

function readManifest(path: string): Manifest | undefined {
  if (!existsSync(path)) return undefined;
  return manifestSchema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
}

function isCurrent(manifest: Manifest, recipe: string, root: string, outdir: string): boolean {
  const same = (path: string, digest: string | undefined): boolean =>
    existsSync(path) && statSync(path).isFile() && fileDigest(path) === digest;
  return (
    manifest.recipe === recipe &&
    Object.entries(manifest.inputs).every(([path, digest]) => same(join(root, path), digest)) &&
    FUNCTIONS.every(({ service, fn }) =>
      same(join(outdir, `${service}-${fn}`, 'index.mjs'), manifest.digests[`${service}-${fn}`]),
    )
  );
}

function bundlesOf(manifest: Manifest, outdir: string): Bundles {
  return {
    folderOf: (service, fn) => join(outdir, `${service}-${fn}`),
    digests: manifest.digests,
    digest: sha256(JSON.stringify(Object.entries(manifest.digests).sort())),
  };
}

function fileDigest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
