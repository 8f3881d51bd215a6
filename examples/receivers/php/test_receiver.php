<?php
// Runs verified() over docs/signatures.json: php test_receiver.php
require __DIR__ . '/receiver.php';

$vectors = json_decode(file_get_contents(__DIR__ . '/../../../docs/signatures.json'), true, flags: JSON_THROW_ON_ERROR)['vectors'];
foreach ($vectors as $v) {
    if (verified($v['secret'], $v['webhook-id'], $v['webhook-timestamp'], $v['webhook-signature'], $v['body'], $v['now']) !== $v['valid']) {
        fwrite(STDERR, "wrong verdict: {$v['name']}\n");
        exit(1);
    }
}
echo count($vectors), " vectors\n";
