import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // They end what hangs, on a busy machine too: a slow test is no failure, and benchmarks measure.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
