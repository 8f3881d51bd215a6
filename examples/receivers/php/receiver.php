<?php
// A receiver of GenevaDrive webhooks: each step of a workflow arrives as a signed POST, and what this program
// answers decides what happens next. PHP 8, nothing else.
//
//     WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:9000 receiver.php
declare(strict_types=1);
set_error_handler(fn (int $level, string $message) => throw new ErrorException($message)); // a warning is a failure too

/** Does the work of one step and says what happens next. An exception means: not done, try again later. */
function perform(object $delivery): array
{
    if ($delivery->type !== 'step.perform') { // a hook, which only asks whether the step may start
        return ['action' => 'complete'];
    }
    $step = $delivery->data->step_execution->step_name;
    $answers = $delivery->data->workflow->data->answers ?? null; // to try things out: data {"answers": {"send_reminder": {…}}}
    return (array) ($answers->$step ?? match ($step) {
        'send_welcome_email', 'send_reminder' => ['action' => 'complete'], // send the mail to $delivery->data->workflow->subject
        'complete_onboarding' => ['action' => 'complete', 'data' => ['onboarded' => true]], // merged into the workflow's data
        'skip' => ['action' => 'skip', 'reason' => 'not needed'],
        'reattempt' => ['action' => 'reattempt', 'wait' => 'PT5M'],
        'pause' => ['action' => 'pause', 'reason' => 'somebody should look at this'],
        'cancel' => ['action' => 'cancel', 'reason' => 'unsubscribed'],
        'finish' => ['action' => 'finish'],
        'fail' => ['action' => 'fail', 'error' => ['message' => 'card declined'], 'retryable' => true],
    });
}

/** Standard Webhooks: one of the signatures must be ours, and the timestamp not five minutes off. */
function verified(string $secret, string $id, string $timestamp, string $signatures, string $body, int $now): bool
{
    if ($id === '' || !preg_match('/^\d{1,12}$/D', $timestamp) || abs($now - (int) $timestamp) > 300) {
        return false;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $ours = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    return array_filter(explode(' ', $signatures), fn ($given) => hash_equals($ours, $given)) !== [];
}

/** The stored answer, else that of the work. In an application: a table, written in the work's own transaction. */
function answer_once(string $directory, string $id, string $body): string
{
    is_dir($directory) || mkdir($directory);
    flock($lock = fopen("$directory/lock", 'c'), LOCK_EX); // the same id a second time at once waits; released on return
    $file = "$directory/" . hash('sha256', $id);
    if (is_file($file)) {
        return file_get_contents($file);
    }
    $answer = perform(json_decode($body, flags: JSON_THROW_ON_ERROR));
    $text = json_encode($answer, JSON_THROW_ON_ERROR);
    if ($answer['action'] !== 'fail') { // a failure is not remembered: the next attempt does the work
        file_put_contents("$file.new", $text); // what cannot be written whole is an exception
        rename("$file.new", $file);
    }
    return $text;
}

if (PHP_SAPI === 'cli-server') {
    [$secret, $body] = [getenv('WEBHOOK_SECRET') ?: '', file_get_contents('php://input')]; // raw: not parsed and written anew
    [$id, $timestamp, $signatures] = array_map(fn ($name) => $_SERVER["HTTP_WEBHOOK_$name"] ?? '', ['ID', 'TIMESTAMP', 'SIGNATURE']);
    try {
        str_starts_with($secret, 'whsec_') || throw new RuntimeException("set WEBHOOK_SECRET to the server's secret, whsec_…");
        [$status, $text] = verified($secret, $id, $timestamp, $signatures, $body, time())
            ? [200, answer_once(getenv('ANSWERS') ?: 'answers', $id, $body)] : [401, '{"error": "the signature is not valid"}'];
    } catch (Throwable $error) {
        error_log((string) $error);
        [$status, $text] = [500, '{"error": "the step was not performed"}'];
    }
    error_log(($_SERVER['HTTP_GENEVADRIVE_STEP'] ?? '') . " -> $status $text");
    http_response_code($status);
    header('content-type: application/json');
    echo $text;
}
