// Says plainly when the Node that runs is too old. Plain JavaScript, because an old Node must be
// able to run it.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `Signet needs Node.js 24.12 or newer; this is ${process.versions.node}.\n` +
      'Run it through npm (npm run …): `npm ci` installs a fitting Node beside the project.\n' +
      'If this came from npm run, the install script of the package "node" was blocked:\n' +
      "run `npm ci` again with the project's own package.json, then `npx node --version`.",
  );
  process.exit(1);
}
