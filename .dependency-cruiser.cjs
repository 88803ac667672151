/** Imports point one way: docs/architecture.md, "Layout". */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { pathNot: allowed, path: '^(lib|functions|sdk|cli|cdk|local|operations|test|bench)/' },
});
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'lib-has-no-io',
      severity: 'error',
      from: { path: '^lib/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'lib-has-no-aws',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: 'node_modules/(@aws-sdk|@aws-lambda-powertools|@middy)' },
    },
    only('crypto-is-a-leaf', '^lib/crypto/', '^lib/crypto/'),
    only('wire-uses-crypto', '^lib/wire/', '^lib/(wire|crypto|limits)'),
    only('ledger-uses-wire', '^lib/ledger/', '^lib/(ledger|wire|crypto|limits)'),
    only('pbft-uses-ledger', '^lib/pbft/', '^lib/(pbft|ledger|wire|crypto|limits|ports)'),
    only(
      'chaincode-uses-ledger',
      '^lib/chaincode/',
      '^lib/(chaincode|ledger|wire|crypto|limits|membership)',
    ),
    only(
      'escrow-uses-chaincode',
      '^lib/escrow/',
      '^lib/(escrow|chaincode|records|ledger|wire|crypto|limits|membership)',
    ),
    only('lib-stays-in-lib', '^lib/', '^lib/'),
    only('functions-use-lib', '^functions/', '^(functions|lib)/'),
    only('sdk-uses-lib', '^sdk/', '^(sdk|lib)/'),
    only('cli-uses-sdk', '^cli/', '^(cli|sdk|lib)/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
