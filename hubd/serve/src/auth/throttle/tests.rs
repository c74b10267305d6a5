use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn source(number: u32) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Guesses wrong until refused; how often, and how long the wait is.
fn guess(throttle: &Throttle, from: IpAddr, account: &str, now: Duration) -> (usize, Duration) {
    for count in 0..100_000 {
        match throttle.ask(from, account, now, false) {
            Verdict::Go => throttle.failed(from, account, now),
            Verdict::Slow(_) => panic!("slowed instead of refused"),
            Verdict::Refuse(wait) => return (count, wait),
        }
    }
    panic!("never refused");
}

#[test]
fn refuses_after_ten_wrong_guesses_and_allows_one_more_every_half_minute() {
    let throttle = Throttle::default();
    assert_eq!(guess(&throttle, HERE, "ada", seconds(0)), (10, seconds(30)));
    assert_eq!(throttle.ask(HERE, "ada", seconds(29), false), Verdict::Refuse(seconds(1)));
    assert_eq!(guess(&throttle, HERE, "ada", seconds(30)), (1, seconds(30)));
    assert_eq!(guess(&throttle, HERE, "ada", seconds(630)), (10, seconds(30)));
}

#[test]
fn forgives_everything_to_whoever_gets_in() {
    let throttle = Throttle::default();
    for _ in 0..9 {
        throttle.failed(HERE, "ada", seconds(0));
    }
    throttle.succeeded(HERE, "ada", seconds(0));
    assert_eq!(guess(&throttle, HERE, "ada", seconds(0)).0, 10);
}

#[test]
fn does_not_let_one_attacker_lock_anybody_out() {
    let throttle = Throttle::default();
    for now in (0..86_400).step_by(10).map(seconds) {
        guess(&throttle, source(1), "ada", now);
        assert_eq!(throttle.ask(HERE, "ada", now, false), Verdict::Go, "after {now:?}");
    }
}

/// Guesses wrong, waiting its turn when slowed, until refused; how often.
fn guess_slowly(throttle: &Throttle, from: IpAddr, account: &str, now: Duration) -> usize {
    for count in 0..1000 {
        match throttle.ask(from, account, now, false) {
            Verdict::Go | Verdict::Slow(_) => throttle.failed(from, account, now),
            Verdict::Refuse(_) => return count,
        }
    }
    panic!("never refused");
}

#[test]
fn lets_people_in_where_they_got_in_before_even_when_the_whole_world_guesses() {
    let throttle = Throttle::default();
    throttle.succeeded(HERE, "ada", seconds(0));
    let guesses: Vec<usize> = (0..1000).map(|number| guess_slowly(&throttle, source(number), "ada", seconds(1))).collect();
    assert_eq!((guesses[..10].to_vec(), guesses[10..].to_vec()), (vec![10; 10], vec![3; 990]));
    assert_eq!(throttle.ask(HERE, "ada", seconds(1), false), Verdict::Go);
}

#[test]
fn under_attack_a_known_browser_gets_in_at_once_and_an_unknown_one_after_a_while() {
    let throttle = Throttle::default();
    for number in 0..20 {
        guess_slowly(&throttle, source(number), "ada", seconds(0));
    }
    let site: u128 = 0x2001_0db8_0001 << 80;
    for network in 0..65_536_u128 {
        guess_slowly(&throttle, Ipv6Addr::from_bits(site | (network << 64) | 1).into(), "ada", seconds(0));
    }
    let inside: IpAddr = Ipv6Addr::from_bits(site | 0xffff).into();
    for from in [HERE, source(0), inside] {
        let origin = Origin { source: from, browser: Some(7) };
        assert_eq!(throttle.ask(origin, "ada", seconds(0), false), Verdict::Go, "a known browser at {from}");
    }
    assert_eq!(throttle.ask(HERE, "ada", seconds(0), false), Verdict::Slow(seconds(10)), "one that nobody knows");
    assert_eq!(throttle.ask(HERE, "ada", seconds(10), true), Verdict::Go);
    assert!(matches!(throttle.ask(inside, "ada", seconds(0), false), Verdict::Refuse(_)), "in the middle of the attack");
}

#[test]
fn the_tries_of_a_known_browser_are_its_own() {
    let throttle = Throttle::default();
    let origin = |browser| Origin { source: HERE, browser: Some(browser) };
    for _ in 0..10 {
        assert_eq!(throttle.ask(origin(7), "ada", seconds(0), false), Verdict::Go);
        throttle.failed(origin(7), "ada", seconds(0));
    }
    assert_eq!(throttle.ask(origin(7), "ada", seconds(0), false), Verdict::Refuse(seconds(30)));
    assert_eq!(throttle.ask(origin(8), "ada", seconds(0), false), Verdict::Go);
    assert_eq!(guess(&throttle, HERE, "ada", seconds(0)).0, 10, "without the cookie it is one like any other");
    throttle.succeeded(origin(7), "ada", seconds(0));
    assert_eq!(throttle.ask(origin(7), "ada", seconds(0), false), Verdict::Go);
}

#[test]
fn somebody_in_the_same_room_can_slow_a_person_down_and_not_more() {
    let throttle = Throttle::default();
    throttle.succeeded(HERE, "bob", seconds(0));
    for _ in 0..10 {
        throttle.failed(HERE, "ada", seconds(0));
    }
    let ask = |now| throttle.ask(HERE, "ada", seconds(now), false);
    assert_eq!((ask(0), ask(0), ask(0)), (Verdict::Slow(seconds(10)), Verdict::Slow(seconds(20)), Verdict::Refuse(seconds(30))));
    assert_eq!(throttle.ask(HERE, "ada", seconds(10), true), Verdict::Go);
}

#[test]
fn a_site_of_version_6_is_counted_as_a_whole_too() {
    let throttle = Throttle::default();
    let address =
        |network: u128, host: u128| IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (network << 64) | host));
    let tried: usize = (0..100).map(|network| guess_slowly(&throttle, address(network, 1), "ada", seconds(0))).sum();
    assert_eq!(tried, 30, "for one account");
    let mut tried = 0;
    for network in 1000..2000 {
        for person in 0..30 {
            let name = format!("student{person}");
            if throttle.ask(address(network, 1), &name, seconds(0), false) == Verdict::Go {
                throttle.failed(address(network, 1), &name, seconds(0));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 90, "for all together, after the thirty");
    assert_eq!(throttle.ask(address(0x1_0000, 1), "ada", seconds(0), false), Verdict::Go, "the next site");
}

#[test]
fn refuses_a_source_that_tries_one_password_on_everybody() {
    let throttle = Throttle::default();
    let mut tried = 0;
    for number in 0..1000 {
        if throttle.ask(HERE, &format!("student{number}"), seconds(0), false) == Verdict::Go {
            throttle.failed(HERE, &format!("student{number}"), seconds(0));
            tried += 1;
        }
    }
    assert_eq!(tried, 30);
    assert_eq!(throttle.ask(HERE, "ada", seconds(0), false), Verdict::Refuse(seconds(10)));
    assert_eq!(throttle.ask(source(1), "ada", seconds(0), false), Verdict::Go);
}

#[test]
fn slows_a_source_that_people_get_in_from() {
    let throttle = Throttle::default();
    for number in 0..9 {
        throttle.succeeded(HERE, &format!("student{number}"), seconds(0));
    }
    for number in 0..30 {
        throttle.failed(HERE, &format!("nobody{number}"), seconds(0));
    }
    let waits: Vec<Verdict> = (0..11).map(|number| throttle.ask(HERE, &format!("late{number}"), seconds(0), false)).collect();
    let expected: Vec<Verdict> =
        (1..=10).map(|place| Verdict::Slow(seconds(place))).chain([Verdict::Refuse(seconds(11))]).collect();
    assert_eq!(waits, expected);
    assert_eq!(throttle.ask(HERE, "late0", seconds(1), true), Verdict::Go);
    assert_eq!(throttle.ask(HERE, "student0", seconds(0), false), Verdict::Go, "who got in before waits for nobody");
}

/// Forty people behind one address, fifteen typos, all in within a minute: whoever mistypes tries again at once.
#[test]
fn lets_a_whole_classroom_in() {
    for typos in [15, 40] {
        let throttle = Throttle::default();
        let mut now = seconds(0);
        for student in 0..40 {
            let name = format!("student{student}");
            for attempt in 0..2 {
                match throttle.ask(HERE, &name, now, false) {
                    Verdict::Go => {}
                    Verdict::Slow(wait) => now += wait,
                    Verdict::Refuse(_) => panic!("{name} was refused with {typos} typos"),
                }
                if attempt == 0 && student < typos {
                    throttle.failed(HERE, &name, now);
                } else {
                    throttle.succeeded(HERE, &name, now);
                    break;
                }
            }
            now += Duration::from_millis(500);
        }
        assert!(now < seconds(60), "{typos} typos took {now:?}");
    }
}

#[test]
fn counts_a_network_of_version_6_as_one_source() {
    let throttle = Throttle::default();
    for number in 0..10_u128 {
        let address = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (number << 32));
        throttle.failed(IpAddr::V6(address), "ada", seconds(0));
    }
    let in_network: IpAddr = "2001:db8::ffff".parse().unwrap();
    assert!(matches!(throttle.ask(in_network, "ada", seconds(0), false), Verdict::Refuse(_)));
    let outside: IpAddr = "2001:db8:0:1::1".parse().unwrap();
    assert_eq!(throttle.ask(outside, "ada", seconds(0), false), Verdict::Go);
    let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
    guess(&throttle, mapped, "ben", seconds(0));
    assert!(matches!(throttle.ask(HERE, "ben", seconds(0), false), Verdict::Refuse(_)));
}

#[test]
fn has_a_table_of_bounded_size_that_remembers_the_latest() {
    let throttle = Throttle::default();
    throttle.failed(source(u32::MAX >> 8), "first", seconds(0));
    for number in 0..300_000 {
        throttle.failed(source(number), "ada", Duration::from_millis(1 + u64::from(number)));
        assert!(throttle.table.lock().unwrap().len() <= MOST_ENTRIES);
    }
    let table = throttle.table.lock().unwrap();
    assert!(table.contains_key(&Key::Source(source(299_999))));
    assert!(!table.contains_key(&Key::Source(source(u32::MAX >> 8))));
}

/// Everybody with a shell on the machine may come from any of these addresses.
#[test]
fn counts_the_machine_itself_as_one_site() {
    let throttle = Throttle::default();
    let local = |number: u32| IpAddr::from((0x7f00_0001 + number).to_be_bytes());
    let guess = |account: &str, number: u32| {
        let goes = throttle.ask(local(number), account, seconds(0), false) == Verdict::Go;
        if goes {
            throttle.failed(local(number), account, seconds(0));
        }
        goes
    };
    assert_eq!((0..1000).filter(|number| guess("ada", *number)).count(), 30);
    assert_eq!((2000..3000).filter(|number| guess("ben", *number)).count(), 30);
    assert_eq!((4000..5000).filter(|number| guess(&format!("name{number}"), *number)).count(), 60, "all together 120");
    assert_eq!(throttle.ask(HERE, "ada", seconds(0), false), Verdict::Go, "nobody else is kept out");
}
